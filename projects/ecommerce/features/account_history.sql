-- What an account did before now. `history` ends a second before the payment, so an amount is never compared with itself;
-- `usual` ends a week before, so a fraud that has been going on for days has not yet shifted it.
select account_id,
  count(*)         over history as account_history_count_30d,
  avg(amount_base) over history as account_history_average_30d,
  max(amount_base) over history as account_history_largest_30d,
  amount_base / nullif(avg(amount_base) over history, 0) as amount_to_history_average,
  amount_base / nullif(max(amount_base) over history, 0) as amount_to_history_largest,
  (amount_base - avg(amount_base) over history) / nullif(stddev(amount_base) over history, 0) as amount_history_deviations,
  avg(amount_base)    over usual as account_usual_amount,
  stddev(amount_base) over usual as account_usual_amount_stddev,
  count(*)            over usual / 30.0 as account_usual_daily_count,
  count(*) over w24h / nullif(count(*) over usual / 30.0, 0) as account_count_24h_to_usual
from transactions
window
  history as (partition by account_id order by event_time range between interval '30 days' preceding and interval '1 second' preceding),
  usual   as (partition by account_id order by event_time range between interval '37 days' preceding and interval '7 days' preceding),
  w24h    as (partition by account_id order by event_time range interval '24 hours' preceding)
