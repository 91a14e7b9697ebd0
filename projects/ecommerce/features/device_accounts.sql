-- How many accounts one device pays from. A family shares a tablet; a fraudster runs dozens of accounts from one phone.
select device_id,
  count(distinct account_id) over w24h as device_accounts_24h,
  count(*)                   over w24h as device_count_24h
from transactions
window w24h as (partition by device_id order by event_time range interval '24 hours' preceding)
