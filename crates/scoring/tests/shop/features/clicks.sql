select account, count(*) over w as clicks_30m
from clicks window w as (partition by account order by at range interval '30 minutes' preceding)
