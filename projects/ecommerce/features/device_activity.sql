-- Who pays from one device. A family shares a tablet; a fraudster runs dozens of accounts from one phone.
select device_id,
  count(*)                    over w1h  as device_count_1h,
  count(*)                    over w24h as device_count_24h,
  sum(amount_base) over w24h as device_amount_24h,
  count(distinct account_id)  over w24h as device_accounts_24h,
  count(distinct account_id)  over w30d as device_accounts_30d,
  count(distinct card_id)     over w30d as device_cards_30d,
  (extract(epoch from event_time) - extract(epoch from first_value(event_time) over w30d)) / 3600 as device_known_hours
from transactions
window
  w1h  as (partition by device_id order by event_time range interval '1 hour' preceding),
  w24h as (partition by device_id order by event_time range interval '24 hours' preceding),
  w30d as (partition by device_id order by event_time range interval '30 days' preceding)
