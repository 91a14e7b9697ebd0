-- What the visitor clicked before paying: another stream, joined by the equal column name, taken at the payment's time.
select session_id,
  count(*)             over w10m as session_clicks_10m,
  count(distinct page) over w10m as session_pages_10m
from clickstream
window w10m as (partition by session_id order by event_time range interval '10 minutes' preceding)
