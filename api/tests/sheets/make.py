"""Makes the workbooks of this folder, with writers that are not ours: pip install xlwt openpyxl, then python3 make.py."""

import datetime

import openpyxl
import xlwt

TITLES = ["工号", "姓名", "手机", "邮箱", "企业微信", "入职日期", "金额", "在职", "备注"]


def rows():
    day = datetime.datetime(2026, 11, 28)
    yield ["00042", "李雷", 13800138000, "lilei@example.org", "lilei", day, 1234.5, True, " two words "]
    yield [1001, "Han Meimei", "+8613800138001", "han@example.org", None, day.replace(hour=14, minute=30), 0.1 + 0.2, False, None]
    yield []
    for no in range(300):
        # Long enough that the shared texts of XLS go on in further records, some in one byte a character and some in two.
        words = ("备注" if no % 3 else "note ") * 20
        yield [f"E{no}", f"Person {no}", None, f"p{no}@example.org", None, None, no, None, f"{words}{no}"]


def xls():
    book = xlwt.Workbook(encoding="utf-8")
    hidden = book.add_sheet("Hidden")
    hidden.visibility = 1
    hidden.write(0, 0, "nobody")
    sheet = book.add_sheet("名单")
    date = xlwt.easyxf(num_format_str="YYYY-MM-DD")
    for column, title in enumerate(TITLES):
        sheet.write(0, column, title)
    for line, row in enumerate(rows(), 1):
        for column, value in enumerate(row):
            if isinstance(value, datetime.datetime):
                sheet.write(line, column, value, date)
            elif value is not None:
                sheet.write(line, column, value)
    book.set_active_sheet(1)
    book.save("people.xls")


def xlsx():
    book = openpyxl.Workbook()
    book.active.title = "Hidden"
    book.active.sheet_state = "hidden"
    book.active.append(["nobody"])
    sheet = book.create_sheet("名单")
    sheet.append(TITLES)
    for row in rows():
        sheet.append(row)
    book.active = 1
    book.save("people.xlsx")


xls()
xlsx()
