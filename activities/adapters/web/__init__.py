"""The network as tools may use it: public pages, and services that the operator named."""
