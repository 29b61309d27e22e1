"""The networks that affectstream ships, their cards, and the code that trains and measures them."""
