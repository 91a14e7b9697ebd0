-- What a customer ordered and sent back. Lines without a customer have none of these.
select customer_id,
  count(*)                over w1d  as customer_lines_1d,
  count(distinct invoice) over w30d as customer_invoices_30d,
  sum(quantity * unit_price) filter (where quantity > 0) over w30d as customer_bought_amount_30d,
  sum(quantity * unit_price) filter (where quantity > 0) over w90d as customer_bought_amount_90d,
  -sum(quantity * unit_price) filter (where quantity < 0) over w90d as customer_returned_amount_90d,
  count(*) filter (where quantity < 0) over w90d as customer_return_lines_90d,
  count(*) filter (where quantity < 0) over w90d / nullif(count(*) over w90d, 0) as customer_return_share_90d,
  count(distinct country) over w90d as customer_countries_90d
from order_lines
window
  w1d  as (partition by customer_id order by invoice_date range interval '1 day' preceding),
  w30d as (partition by customer_id order by invoice_date range interval '30 days' preceding),
  w90d as (partition by customer_id order by invoice_date range interval '90 days' preceding)
