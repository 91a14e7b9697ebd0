{#- Who a customer was at any time: a version for each change of name, contact or address. -#}
{% snapshot dim_customers %}
{{ config(unique_key='customer_id', strategy='timestamp', updated_at='updated_at') }}
select
  customer_id,
  email,
  first_name,
  last_name,
  full_name,
  phone,
  city,
  state,
  postal_code,
  country,
  created_at,
  updated_at
from {{ ref('customers') }}
{% endsnapshot %}
