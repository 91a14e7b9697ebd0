-- What is known of the merchant at the payment's time.
select merchant_id,
  category   as merchant_category,
  risk_level as merchant_risk_level
from merchant_info
