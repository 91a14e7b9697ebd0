-- What was sold in each month to each country, and what came back.
select
  invoice_month,
  country,
  count(distinct case when kind = 'sale' then invoice end) as orders,
  count(distinct case when kind = 'sale' then customer_id end) as customers,
  {{ pounds("sum(case when kind = 'sale' then amount else 0 end)") }} as sold,
  {{ pounds("sum(case when kind = 'return' then -amount else 0 end)") }} as returned,
  {{ pounds("sum(case when kind = 'adjustment' then amount else 0 end)") }} as adjusted,
  {{ pounds('sum(amount)') }} as revenue
from {{ ref('lines') }}
group by invoice_month, country
