-- Each day's fraud: how much there was, how much was caught, what it cost, and what holding back others cost.
select
  event_day,
  count(*) as transactions,
  cast(sum(amount_base) as numeric(18, 2)) as amount,
  sum(case when is_fraud then 1 else 0 end) as fraud,
  {{ ratio('sum(case when is_fraud then 1 else 0 end)', 'count(*)') }} as fraud_rate,
  sum(case when caught then 1 else 0 end) as caught,
  sum(case when missed then 1 else 0 end) as missed,
  sum(case when false_alarm then 1 else 0 end) as false_alarms,
  {{ ratio('sum(case when caught then 1 else 0 end)', 'sum(case when is_fraud then 1 else 0 end)') }} as recall,
  {{ ratio('sum(case when caught then 1 else 0 end)', "sum(case when decision <> 'allow' then 1 else 0 end)") }} as precision_of_alarms,
  cast(sum(case when caught then amount_base else 0 end) as numeric(18, 2)) as money_saved,
  cast(sum(case when missed then amount_base else 0 end) as numeric(18, 2)) as money_lost,
  cast(sum(case when false_alarm then amount_base else 0 end) as numeric(18, 2)) as money_delayed
from {{ ref('fct_decisions') }}
group by event_day
