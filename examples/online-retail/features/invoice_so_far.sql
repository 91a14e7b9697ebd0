-- The invoice up to this line. Its lines share one time; those that were booked before count, in the order of the log.
select invoice,
  quantity * unit_price           as line_amount,
  count(*)                   over w1h as invoice_lines,
  count(distinct stock_code) over w1h as invoice_stock_codes,
  sum(quantity * unit_price) over w1h as invoice_amount
from order_lines
window w1h as (partition by invoice order by invoice_date range interval '1 hour' preceding)
