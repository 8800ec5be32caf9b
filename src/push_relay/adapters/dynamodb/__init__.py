"""The stores of the relay on DynamoDB. All of them share one table, which `table.py` describes."""
