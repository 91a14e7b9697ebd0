-- Each step of paying an order once: declined, authorised, captured, refunded.
with ranked as (
  select payments.*, {{ first_of('payment_id, status, transaction_id') }} as place
  from {{ source('bronze', 'payments') }} as payments
  where payment_id is not null
)

select
  payment_id,
  order_id,
  customer_id,
  amount,
  lower({{ trimmed('method') }}) as method,
  lower(trim(status)) as status,
  transaction_id,
  event_time
from ranked
where place = 1
