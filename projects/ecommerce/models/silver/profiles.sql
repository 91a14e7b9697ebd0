-- What is known of each customer's habits, as it stands now.
with ranked as (
  select profiles.*, {{ latest_of('customer_id', 'updated_at') }} as place
  from {{ source('bronze', 'user_profiles') }} as profiles
  where customer_id is not null
)

select
  customer_id,
  age_band,
  lower(trim(segment)) as segment,
  {{ code('home_country', 2) }} as home_country,
  {{ trimmed('home_city') }} as home_city,
  lower({{ trimmed('preferred_channel') }}) as preferred_channel,
  typical_amount,
  email_verified,
  phone_verified,
  risk_score,
  registered_at,
  updated_at
from ranked
where place = 1
