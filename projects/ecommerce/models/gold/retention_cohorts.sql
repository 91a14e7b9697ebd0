-- Of those who first bought in one month, how many bought again so many months later.
with bought as (
  select distinct customer_id, cast(date_trunc('month', order_date) as date) as month
  from {{ ref('fct_orders') }}
  where is_paid and customer_id is not null
),

cohorts as (
  select customer_id, min(month) as cohort
  from bought
  group by customer_id
),

sizes as (
  select cohort, count(*) as customers
  from cohorts
  group by cohort
),

active as (
  select
    cohorts.cohort,
    cast((extract(year from bought.month) - extract(year from cohorts.cohort)) * 12
      + extract(month from bought.month) - extract(month from cohorts.cohort) as integer) as months_later,
    count(*) as active
  from bought
  join cohorts on cohorts.customer_id = bought.customer_id
  group by 1, 2
)

select
  active.cohort,
  active.months_later,
  sizes.customers,
  active.active,
  {{ ratio('active.active', 'sizes.customers') }} as retention
from active
join sizes on sizes.cohort = active.cohort
