-- The line that the same customer ordered just before.
select customer_id,
  lag(invoice) over lines as customer_previous_invoice,
  lag(country) over lines as customer_previous_country
from order_lines
window lines as (partition by customer_id order by invoice_date)
