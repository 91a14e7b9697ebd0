-- How well this device is known to this account: 1 means that it is seen for the first time in 30 days.
select account_id, device_id,
  count(*)    over w30d as account_device_count_30d,
  sum(amount) over w30d as account_device_amount_30d
from transactions
window w30d as (partition by account_id, device_id order by event_time range interval '30 days' preceding)
