{#- What a product was and cost at any time. -#}
{% snapshot dim_products %}
{{ config(unique_key='product_id', strategy='check', check_cols=['name', 'category', 'subcategory', 'price', 'cost'], updated_at='updated_at') }}
select
  product_id,
  name,
  category,
  subcategory,
  price,
  cost,
  margin,
  sku,
  created_at,
  updated_at
from {{ ref('products') }}
{% endsnapshot %}
