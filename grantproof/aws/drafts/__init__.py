"""From templates or exports that exist to a contract."""
