-- What is known of the merchant at the payment's time.
select merchant_id,
  category       as merchant_category,
  mcc            as merchant_mcc,
  country        as merchant_country,
  latitude       as merchant_latitude,
  longitude      as merchant_longitude,
  risk_level     as merchant_risk_level,
  typical_amount as merchant_typical_amount,
  onboarded_at   as merchant_onboarded_at
from merchant_info
