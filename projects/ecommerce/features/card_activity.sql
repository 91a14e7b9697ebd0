-- What one card does, whoever holds it: its token is the same on every account it is used with.
select card_id,
  count(*)                    over w1h  as card_count_1h,
  count(*)                    over w24h as card_count_24h,
  count(*) filter (where amount_base < {{ var('small_amount') }}) over w24h as card_small_count_24h,
  count(distinct merchant_id) over w24h as card_merchants_24h,
  count(distinct country)     over w24h as card_countries_24h,
  count(distinct account_id)  over w30d as card_accounts_30d,
  (extract(epoch from event_time) - extract(epoch from first_value(event_time) over w30d)) / 3600 as card_known_hours
from transactions
window
  w1h  as (partition by card_id order by event_time range interval '1 hour' preceding),
  w24h as (partition by card_id order by event_time range interval '24 hours' preceding),
  w30d as (partition by card_id order by event_time range interval '30 days' preceding)
