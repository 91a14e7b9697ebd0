-- What is known of the customer at the payment's time.
select customer_id,
  segment             as customer_segment,
  age_band            as customer_age_band,
  home_country        as customer_home_country,
  home_latitude       as customer_home_latitude,
  home_longitude      as customer_home_longitude,
  preferred_channel   as customer_preferred_channel,
  typical_amount      as customer_typical_amount,
  email_verified      as customer_email_verified,
  phone_verified      as customer_phone_verified,
  risk_score          as customer_risk_score,
  registered_at       as customer_registered_at,
  password_changed_at as customer_password_changed_at
from user_profiles
