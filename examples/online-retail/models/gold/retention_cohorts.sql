-- Of those who first bought in one month, how many bought again so many months later, and for how much.
with bought as (
  select customer_id, invoice_month, sum(amount) as amount
  from {{ ref('lines') }}
  where kind = 'sale' and customer_id is not null
  group by customer_id, invoice_month
),

cohorts as (
  select customer_id, min(invoice_month) as cohort
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
    cast((extract(year from bought.invoice_month) - extract(year from cohorts.cohort)) * 12
      + extract(month from bought.invoice_month) - extract(month from cohorts.cohort) as integer) as months_later,
    count(*) as active,
    sum(bought.amount) as amount
  from bought
  join cohorts on cohorts.customer_id = bought.customer_id
  group by 1, 2
)

select
  active.cohort,
  active.months_later,
  sizes.customers,
  active.active,
  cast(active.active as double precision) / cast(sizes.customers as double precision) as retention,
  {{ pounds('active.amount') }} as amount
from active
join sizes on sizes.cohort = active.cohort
