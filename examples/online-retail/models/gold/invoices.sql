-- Every invoice: who, when, how much of what.
select
  invoice,
  max(customer_id) as customer_id,
  min(country) as country,
  min(invoice_date) as invoice_date,
  min(invoice_day) as invoice_day,
  min(invoice_month) as invoice_month,
  case when invoice like 'C%' then 'return' when invoice like 'A%' then 'adjustment' else 'order' end as kind,
  count(*) as lines,
  count(distinct stock_code) as things,
  sum(quantity) as pieces,
  {{ pounds('sum(amount)') }} as amount
from {{ ref('lines') }}
group by invoice
