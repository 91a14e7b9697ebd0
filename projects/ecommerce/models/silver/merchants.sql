-- Each merchant as it stands now.
with ranked as (
  select merchants.*, {{ latest_of('merchant_id', 'updated_at') }} as place
  from {{ source('bronze', 'merchant_info') }} as merchants
  where merchant_id is not null
)

select
  merchant_id,
  {{ trimmed('name') }} as name,
  lower({{ trimmed('category') }}) as category,
  {{ code('country', 2) }} as country,
  lower(trim(risk_level)) as risk_level,
  {{ trimmed('mcc') }} as mcc,
  typical_amount,
  onboarded_at,
  updated_at
from ranked
where place = 1
