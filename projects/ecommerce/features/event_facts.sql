-- What the payment alone tells. The local hour is that of the sun at the payment's place, which is within an hour of the clock there.
select
  {{ var('local_hour') }} as local_hour,
  {{ var('local_hour') }} < 5 as is_night,
  coalesce(entry_mode in ('chip', 'contactless', 'swipe'), channel in ('pos', 'atm')) as card_present,
  amount >= 100 and mod(amount, 100) = 0 as amount_is_round,
  shipping_country <> billing_country as shipping_differs_from_billing
from transactions
