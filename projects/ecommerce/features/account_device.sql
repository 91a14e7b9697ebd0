-- How well this device is known to this account: a count of 1 means that it is seen for the first time in 30 days.
select account_id, device_id,
  count(*)    over w30d as account_device_count_30d,
  sum(amount_base) over w30d as account_device_amount_30d,
  (extract(epoch from event_time) - extract(epoch from first_value(event_time) over w30d)) / 3600 as account_device_known_hours
from transactions
window w30d as (partition by account_id, device_id order by event_time range interval '30 days' preceding)
