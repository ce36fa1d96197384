"""What stands in for Taobao: the service engine and its fronts."""
