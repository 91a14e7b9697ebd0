-- What a thing usually costs and how many pieces usually go, over the 90 days that end the day before. Only sales count.
select stock_code,
  count(*)      filter (where quantity > 0 and unit_price > 0) over history as stock_sales_90d,
  avg(unit_price) filter (where quantity > 0 and unit_price > 0) over history as stock_average_price_90d,
  stddev(unit_price) filter (where quantity > 0 and unit_price > 0) over history as stock_price_stddev_90d,
  max(quantity) filter (where quantity > 0 and unit_price > 0) over history as stock_largest_quantity_90d,
  avg(quantity) filter (where quantity > 0 and unit_price > 0) over history as stock_average_quantity_90d,
  unit_price / nullif(avg(unit_price) filter (where quantity > 0 and unit_price > 0) over history, 0) as price_to_stock_average
from order_lines
window history as (partition by stock_code order by invoice_date range between interval '91 days' preceding and interval '1 day' preceding)
