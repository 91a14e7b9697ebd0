-- Each product as it is sold now.
with ranked as (
  select products.*, {{ latest_of('product_id', 'updated_at') }} as place
  from {{ source('bronze', 'products') }} as products
  where product_id is not null
)

select
  product_id,
  {{ trimmed('name') }} as name,
  {{ trimmed('description') }} as description,
  lower({{ trimmed('category') }}) as category,
  lower({{ trimmed('subcategory') }}) as subcategory,
  price,
  cost,
  price - cost as margin,
  {{ trimmed('sku') }} as sku,
  stock_quantity,
  created_at,
  updated_at
from ranked
where place = 1
