"""Files and folders that are dropped on the window."""

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QWidget


class DropIn(QObject):
    """Lets a widget take what comes from other programs. `over`: whether something hovers;
    `dropped`: a list of local paths."""

    over = Signal(bool)
    dropped = Signal(object)

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        widget.setAcceptDrops(True)
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        kinds = QEvent.Type
        if event.type() == kinds.DragLeave:
            self.over.emit(False)
            return True
        if event.type() not in (kinds.DragEnter, kinds.DragMove, kinds.Drop):
            return False
        assert isinstance(event, QDropEvent)
        paths = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if event.source() is not None or not paths:  # our own drags come from the list
            event.ignore()
            return True
        # A move that is accepted makes Windows delete the person's files.
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()
        self.over.emit(event.type() != kinds.Drop)
        if event.type() == kinds.Drop:
            # Deferred: the file manager stands still until this returns.
            QTimer.singleShot(0, lambda: self.dropped.emit(paths))
        return True
