-- Who pays from one network address. An office has one for all; a script that tries cards has one as well.
select ip,
  count(*)                   over w1h  as ip_count_1h,
  count(*)                   over w24h as ip_count_24h,
  count(*) filter (where amount_base < {{ var('small_amount') }}) over w1h as ip_small_count_1h,
  count(distinct account_id) over w24h as ip_accounts_24h,
  count(distinct device_id)  over w24h as ip_devices_24h,
  count(distinct card_id)    over w24h as ip_cards_24h
from transactions
window
  w1h  as (partition by ip order by event_time range interval '1 hour' preceding),
  w24h as (partition by ip order by event_time range interval '24 hours' preceding)
