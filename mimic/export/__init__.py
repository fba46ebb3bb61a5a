"""What a game engine takes home: controller bundles, animation, pages. Nothing but the command line imports this room."""
