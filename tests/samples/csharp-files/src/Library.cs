using System;
using System.Globalization;
using System.IO;
using HC.Serverless.Function.Common;

namespace Garden
{
    /// <summary>Reads what came along.</summary>
    public class Library
    {
        public string Read(string input, IFunctionContext context)
        {
            string byPlace = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "data/name.txt")).Trim();
            string byFolder = File.ReadAllText("code/data/name.txt").Trim();
            if (byPlace != byFolder)
            {
                throw new IOException(byPlace + " is not " + byFolder);
            }
            Type named = Type.GetType("Garden.Library, Garden");
            string found = named == GetType() ? "1" : "another";
            return byPlace + " of the package, " + found + " " + "green".ToUpper(CultureInfo.GetCultureInfo("de-DE"));
        }
    }
}
