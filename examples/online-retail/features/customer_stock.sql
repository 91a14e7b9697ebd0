-- How many pieces of one thing a customer bought and sent back, ever and within a day: nobody can return what was never bought.
select customer_id, stock_code,
  coalesce(sum(quantity)  filter (where quantity > 0) over ever, 0) as customer_stock_bought,
  coalesce(-sum(quantity) filter (where quantity < 0) over ever, 0) as customer_stock_returned,
  coalesce(sum(quantity)  filter (where quantity > 0) over w1d, 0)  as customer_stock_bought_1d
from order_lines
window
  ever as (partition by customer_id, stock_code order by invoice_date range unbounded preceding),
  w1d  as (partition by customer_id, stock_code order by invoice_date range interval '1 day' preceding)
