-- How each kind of fraud fares.
select
  coalesce(scenario, 'unknown') as scenario,
  count(*) as fraud,
  sum(case when caught then 1 else 0 end) as caught,
  sum(case when missed then 1 else 0 end) as missed,
  {{ ratio('sum(case when caught then 1 else 0 end)', 'count(*)') }} as recall,
  cast(sum(amount_base) as numeric(18, 2)) as amount,
  cast(sum(case when caught then amount_base else 0 end) as numeric(18, 2)) as money_saved,
  cast(sum(case when missed then amount_base else 0 end) as numeric(18, 2)) as money_lost
from {{ ref('fct_decisions') }}
where is_fraud
group by coalesce(scenario, 'unknown')
