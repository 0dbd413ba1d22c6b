"""The SQL of spending and the template of reports."""

from PyInstaller.utils.hooks import collect_data_files

datas = collect_data_files("flowhunt", includes=["**/*.sql", "**/*.html"])
