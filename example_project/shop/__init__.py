"""A small order desk: orders come in as CSV or JSON, are priced, documented and sealed into a ledger."""
