-- What is in the basket that is paid for.
select order_id,
  count(*)                                           over w7d as order_lines,
  sum(quantity)                                      over w7d as order_units,
  count(distinct category)                           over w7d as order_categories,
  max(unit_price)                                    over w7d as order_dearest_item,
  max(quantity)                                      over w7d as order_most_of_one,
  sum(quantity * unit_price - coalesce(discount, 0)) over w7d as order_lines_total,
  sum(coalesce(discount, 0)) over w7d / nullif(sum(quantity * unit_price) over w7d, 0) as order_discount_share
from order_items
window w7d as (partition by order_id order by event_time range interval '7 days' preceding)
