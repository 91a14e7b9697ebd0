-- What has been paid back of one earlier payment. A second refund of the same payment is a mistake or a trick.
select original_transaction_id,
  count(*)    over w30d as original_refund_count_30d,
  sum(amount) over w30d as original_refund_amount_30d
from transactions
window w30d as (partition by original_transaction_id order by event_time range interval '30 days' preceding)
