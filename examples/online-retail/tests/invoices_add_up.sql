-- Invoices and months are the same lines, counted twice.
select invoices.amount, months.revenue
from (select sum(amount) as amount from {{ ref('invoices') }}) as invoices
cross join (select sum(revenue) as revenue from {{ ref('revenue_by_month_and_country') }}) as months
where invoices.amount <> months.revenue
