-- What is usual for a country: its lines, its customers, its average line.
select country,
  count(*)                    over w30d as country_lines_30d,
  count(distinct customer_id) over w30d as country_customers_30d,
  quantity * unit_price / nullif(avg(quantity * unit_price) filter (where quantity > 0) over w30d, 0) as amount_to_country_average
from order_lines
window w30d as (partition by country order by invoice_date range interval '30 days' preceding)
