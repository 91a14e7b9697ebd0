select account,
  count(*) over w as count_1h,
  sum(amount) over w as amount_1h,
  amount / nullif(avg(amount) over w, 0) as amount_to_average,
  count(distinct shop) over w as shops_1h,
  lag(amount) over (partition by account order by at) as previous_amount
from payments
window w as (partition by account order by at range interval '1 hour' preceding)
