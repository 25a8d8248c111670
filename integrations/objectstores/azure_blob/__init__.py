"""Azure Blob Storage and what speaks its protocol, on azure-storage-blob."""
