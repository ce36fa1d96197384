"""What puts a client through it: cases, adapters, reports and the `tmcspec` command."""
