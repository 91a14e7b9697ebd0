-- What kinds of payments those are: tiny, large, online, at night, cash, transfers, refunds.
select account_id,
  count(*) filter (where amount_base < {{ var('small_amount') }}) over w1h  as account_small_count_1h,
  count(*) filter (where amount_base < {{ var('small_amount') }}) over w24h as account_small_count_24h,
  count(*) filter (where amount_base >= {{ var('large_amount') }}) over w24h as account_large_count_24h,
  count(*) filter (where channel = 'online') over w24h as account_online_count_24h,
  count(*) filter (where channel in ('pos', 'atm')) over w1h as account_present_count_1h,
  count(*) filter (where entry_mode in ('swipe', 'manual')) over w24h as account_swipe_count_24h,
  count(*) filter (where {{ var('local_hour') }} < 5) over w24h as account_night_count_24h,
  count(*) filter (where {{ var('local_hour') }} < 5) over w30d / nullif(count(*) over w30d, 0) as account_night_share_30d,
  count(*) filter (where transaction_type = 'withdrawal') over w24h as account_withdrawal_count_24h,
  coalesce(sum(amount_base) filter (where transaction_type = 'withdrawal') over w24h, 0) as account_withdrawal_amount_24h,
  coalesce(sum(amount_base) filter (where transaction_type = 'transfer') over w24h, 0) as account_transfer_amount_24h,
  coalesce(sum(amount_base) filter (where transaction_type = 'deposit') over w24h, 0) as account_deposit_amount_24h,
  count(*) filter (where transaction_type = 'refund') over w30d as account_refund_count_30d,
  coalesce(sum(amount_base) filter (where transaction_type = 'refund') over w30d, 0) as account_refund_amount_30d,
  coalesce(sum(amount_base) filter (where transaction_type = 'refund') over w30d, 0)
    / nullif(sum(amount_base) filter (where transaction_type = 'purchase') over w30d, 0) as account_refund_share_30d
from transactions
window
  w1h  as (partition by account_id order by event_time range interval '1 hour' preceding),
  w24h as (partition by account_id order by event_time range interval '24 hours' preceding),
  w30d as (partition by account_id order by event_time range interval '30 days' preceding)
