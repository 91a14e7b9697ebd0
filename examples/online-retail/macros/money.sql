{#- Pounds and pence, of prices that have a tenth of a penny. -#}
{% macro pounds(expression) -%}
cast({{ expression }} as numeric(18, 3))
{%- endmacro %}
