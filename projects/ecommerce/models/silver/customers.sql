-- Each customer as he stands now; who he was before is in gold.dim_customers.
with ranked as (
  select customers.*, {{ latest_of('customer_id', 'updated_at') }} as place
  from {{ source('bronze', 'customers') }} as customers
  where customer_id is not null
)

select
  customer_id,
  lower({{ trimmed('email') }}) as email,
  {{ trimmed('first_name') }} as first_name,
  {{ trimmed('last_name') }} as last_name,
  trim(coalesce({{ trimmed('first_name') }}, '') || ' ' || coalesce({{ trimmed('last_name') }}, '')) as full_name,
  {{ trimmed('phone') }} as phone,
  {{ trimmed('address_line1') }} as address_line1,
  {{ trimmed('address_line2') }} as address_line2,
  {{ trimmed('city') }} as city,
  {{ trimmed('state') }} as state,
  {{ trimmed('postal_code') }} as postal_code,
  {{ code('country', 2) }} as country,
  created_at,
  updated_at
from ranked
where place = 1
