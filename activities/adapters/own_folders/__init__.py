"""An author's own folders of agents, tools and schemas, outside of the checkout: what is checked before it is used."""
