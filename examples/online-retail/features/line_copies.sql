-- How often the same line stands on the same invoice at the same minute; 1 means once.
select invoice, stock_code, quantity, unit_price,
  count(*) over same_minute as line_copies
from order_lines
window same_minute as (partition by invoice, stock_code, quantity, unit_price order by invoice_date range interval '1 second' preceding)
